"""Pictures that people look at which are no film frames: panels, sheets, turnarounds, burn-ins, thumbnails."""
