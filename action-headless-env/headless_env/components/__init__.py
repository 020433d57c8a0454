"""What an environment consists of: each module starts one component and knows when it answers."""
