//! Ratios as people read them.

/// Basis points as a percentage: 250 is `2.5 %`.
pub fn percent(basis_points: u64) -> String {
    let (whole, hundredths) = (basis_points / 100, basis_points % 100);
    match (hundredths / 10, hundredths % 10) {
        (0, 0) => format!("{whole} %"),
        (tenths, 0) => format!("{whole}.{tenths} %"),
        _ => format!("{whole}.{hundredths:02} %"),
    }
}
