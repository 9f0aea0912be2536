//! The check of a whole graph.
use crate::region::{Region, RegionError};
pub fn check(_region: &Region<'_>) -> Result<(), RegionError> {
    Ok(())
}
