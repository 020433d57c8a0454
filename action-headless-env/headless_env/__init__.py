"""Isolated headless environments: display, window manager, buses, audio; verified, watched and torn down."""
