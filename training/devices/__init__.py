"""Where training runs: devices, the processes on them, and what may stop them."""
