#![expect(clippy::unimplemented, unused_variables, reason = "skeleton")]
use interlock_domain::*;
use interlock_ledger::StoredRow;
use crate::*;
type R<T> = Result<T, StoreError>;
impl Store {
    /// x
    pub async fn open(options: Options, keys: LedgerKeys) -> R<Store> { unimplemented!() }
    /// x
    pub async fn close(&self) { unimplemented!() }
    /// x
    pub async fn ping(&self) -> R<()> { unimplemented!() }
    /// x
    pub fn options(&self) -> &Options { unimplemented!() }
    /// x
    pub fn keys(&self) -> &LedgerKeys { unimplemented!() }
    /// x
    pub async fn commit(&self, commit: Commit) -> R<Committed> { unimplemented!() }
    /// x
    pub async fn change(&self, tenant: &TenantId, id: &ChangeId) -> R<Option<Change>> { unimplemented!() }
    /// x
    pub async fn changes(&self, tenant: &TenantId, filter: &ChangeFilter, page: &Page) -> R<Vec<Change>> { unimplemented!() }
    /// x
    pub async fn live_changes(&self) -> R<Vec<Change>> { unimplemented!() }
    /// x
    pub async fn completed_artifacts(&self, tenant: &TenantId, name: &str) -> R<Vec<Digest>> { unimplemented!() }
    /// x
    pub async fn assignment(&self, tenant: &TenantId, change: &ChangeId, device: &DeviceId) -> R<Option<Assignment>> { unimplemented!() }
    /// x
    pub async fn assignments(&self, tenant: &TenantId, change: &ChangeId, filter: &AssignmentFilter, page: &Page) -> R<Vec<Assignment>> { unimplemented!() }
    /// x
    pub async fn live_assignment(&self, tenant: &TenantId, device: &DeviceId) -> R<Option<(Assignment, State)>> { unimplemented!() }
    /// x
    pub async fn concerned_assignment(&self, tenant: &TenantId, device: &DeviceId) -> R<Option<(Assignment, State)>> { unimplemented!() }
    /// x
    pub async fn had_action(&self, device: &Device, action: u32) -> R<bool> { unimplemented!() }
    /// x
    pub async fn poll(&self, tenant: &TenantId, device: &DeviceId) -> R<Option<(Device, Option<(Assignment, State)>)>> { unimplemented!() }
    /// x
    pub async fn progress(&self, tenant: &TenantId, change: &ChangeId) -> R<Progress> { unimplemented!() }
    /// x
    pub async fn silent_due(&self, tenant: &TenantId, change: &ChangeId, touched_before: Timestamp, limit: u32) -> R<Vec<Assignment>> { unimplemented!() }
    /// x
    pub async fn unheard(&self, tenant: &TenantId, change: &ChangeId, touched_before: Timestamp) -> R<u64> { unimplemented!() }
    /// x
    pub async fn device(&self, tenant: &TenantId, id: &DeviceId) -> R<Option<Device>> { unimplemented!() }
    /// x
    pub async fn devices(&self, tenant: &TenantId, filter: &DeviceFilter, page: &Page) -> R<Vec<Device>> { unimplemented!() }
    /// x
    pub async fn devices_chosen(&self, tenant: &TenantId, environment: &Environment, selector: &Selector) -> R<Vec<Device>> { unimplemented!() }
    /// x
    pub async fn device_counts(&self) -> R<Vec<DeviceCount>> { unimplemented!() }
    /// x
    pub async fn group(&self, tenant: &TenantId, name: &GroupName) -> R<Option<Group>> { unimplemented!() }
    /// x
    pub async fn groups(&self, tenant: &TenantId, page: &Page) -> R<Vec<Group>> { unimplemented!() }
    /// x
    pub async fn artifact(&self, tenant: &TenantId, id: &ArtifactId) -> R<Option<Artifact>> { unimplemented!() }
    /// x
    pub async fn artifact_by_version(&self, tenant: &TenantId, name: &str, version: &str) -> R<Option<Artifact>> { unimplemented!() }
    /// x
    pub async fn artifact_by_digest(&self, tenant: &TenantId, digest: &Digest) -> R<Option<Artifact>> { unimplemented!() }
    /// x
    pub async fn artifacts(&self, tenant: &TenantId, page: &Page) -> R<Vec<Artifact>> { unimplemented!() }
    /// x
    pub async fn sealed(&self, tenant: &TenantId, digest: &Digest) -> R<Option<serde_json::Value>> { unimplemented!() }
    /// x
    pub async fn account(&self, tenant: &TenantId, id: &AccountId) -> R<Option<Account>> { unimplemented!() }
    /// x
    pub async fn accounts(&self, tenant: &TenantId) -> R<Vec<Account>> { unimplemented!() }
    /// The key with this id, whatever its tenant, and its account.
    pub async fn credential(&self, id: &KeyId) -> R<Option<(Credential, Account)>> { unimplemented!() }
    /// x
    pub async fn credentials(&self, tenant: &TenantId, page: &Page) -> R<Vec<Credential>> { unimplemented!() }
    /// x
    pub async fn decision(&self, tenant: &TenantId, id: &DecisionId) -> R<Option<Decision>> { unimplemented!() }
    /// x
    pub async fn decisions(&self, tenant: &TenantId, filter: &DecisionFilter, page: &Page) -> R<Vec<Decision>> { unimplemented!() }
    /// x
    pub async fn logs(&self) -> R<Vec<String>> { unimplemented!() }
    /// x
    pub async fn head(&self, log: &str) -> R<Option<Head>> { unimplemented!() }
    /// x
    pub async fn rows(&self, log: &str, from: u64, limit: u32) -> R<Vec<StoredRow>> { unimplemented!() }
    /// Newest first; `page.after` is the index of the last one seen.
    pub async fn entries(&self, log: &str, page: &Page) -> R<Vec<StoredRow>> { unimplemented!() }
    /// x
    pub async fn events_of(&self, tenant: &TenantId, change: &ChangeId) -> R<Vec<Event>> { unimplemented!() }
    /// x
    pub async fn put_samples(&self, samples: &[Sample]) -> R<()> { unimplemented!() }
    /// x
    #[expect(clippy::too_many_arguments, reason = "skeleton")]
    pub async fn samples(&self, tenant: &TenantId, change: &ChangeId, cohort: Cohort, metric: &str, from: Timestamp, to: Timestamp, cap: u32) -> R<Vec<f64>> { unimplemented!() }
    /// x
    pub async fn prune_samples(&self, before: Timestamp) -> R<u64> { unimplemented!() }
    /// x
    pub async fn touch_seen(&self, seen: &[(TenantId, DeviceId, Timestamp)]) -> R<()> { unimplemented!() }
    /// x
    pub async fn seen(&self, tenant: &TenantId, device: &DeviceId) -> R<Option<Timestamp>> { unimplemented!() }
    /// x
    pub async fn acquire(&self, name: &str, holder: &str, ttl_ms: u64, now: Timestamp) -> R<Option<Lease>> { unimplemented!() }
    /// x
    pub async fn release(&self, lease: &Lease) -> R<()> { unimplemented!() }
    /// x
    pub async fn idempotency_begin(&self, key: &str, principal: &str, fingerprint: &str, now: Timestamp) -> R<Begin> { unimplemented!() }
    /// x
    pub async fn idempotency_finish(&self, key: &str, principal: &str, status: u16, body: &str) -> R<()> { unimplemented!() }
    /// x
    pub async fn idempotency_abandon(&self, key: &str, principal: &str) -> R<()> { unimplemented!() }
    /// x
    pub async fn idempotency_prune(&self, before: Timestamp) -> R<u64> { unimplemented!() }
}
/// x
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCount { 
    /// x
    pub tenant: TenantId, 
    /// x
    pub state: DeviceState, 
    /// x
    pub health: DeviceHealth, 
    /// x
    pub count: u64 }
/// x
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head { 
    /// x
    pub log: String, 
    /// x
    pub size: u64, 
    /// x
    pub root: interlock_ledger::Hash, 
    /// x
    pub checkpoint: String }
/// x
#[derive(Debug, Clone, PartialEq)]
pub struct Sample { 
    /// x
    pub tenant: TenantId, 
    /// x
    pub device: DeviceId, 
    /// x
    pub metric: String, 
    /// x
    pub at: Timestamp, 
    /// x
    pub value: f64 }
/// x
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin { 
    /// x
    Fresh, 
    /// x
    InProgress, 
    /// x
    Done {
        /// x
        status: u16, 
        /// x
        body: String }, 
    /// x
    OtherPayload }
