//! What the server remembers: the database seam and its drivers.
