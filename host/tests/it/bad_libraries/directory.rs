//! What a directory may be full of: files that are none, the same file twice, too many, and good ones in between.
