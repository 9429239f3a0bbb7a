//! Only its test target matters.
