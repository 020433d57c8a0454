"""Where a job runs: on the self-hosted runners or in the cloud, and why."""
