"""Plans the Cargo feature combinations that are worth a job."""
