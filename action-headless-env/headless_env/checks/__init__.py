"""Whether a component answers (`probe`) and does its work (`verify`), judged from the variables alone."""
