//! One suite, run on both databases.

#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod advisories;
mod audit;
mod commits;
mod elsewhere;
mod fixture;
mod ledger;
mod logins;
mod migrations;
mod places;
mod reads;
mod rosters;
mod segments;
mod side;
mod signer;
mod tasks;
mod tiles;

/// Makes two tests of each function, one on SQLite and one on PostgreSQL. Each is given a fresh [`fixture::World`].
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                #[tokio::test]
                async fn sqlite() {
                    super::$name(crate::fixture::World::sqlite().await).await;
                }

                #[tokio::test]
                async fn postgres() {
                    super::$name(crate::fixture::World::postgres().await).await;
                }
            }
        )+
    };
}
pub(crate) use on_both;
