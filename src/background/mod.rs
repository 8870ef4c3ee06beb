//! Station 3: what stands behind the person, fitted once, ready to blend.
