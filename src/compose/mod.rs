//! Station 4: the person over the background.
