//! Tables `devices` and `device_groups`.

use interlock_domain::{Device, DeviceHealth, DeviceId, DeviceState, Environment, Selector, TenantId};

use crate::{
    DeviceFilter, Page, Store, StoreError, Write,
    db::{Tx, execute, execute_rows, fetch_all, fetch_optional, pieces, text, values},
    draft::PreparedWrite,
    row,
};

/// How many devices are in which state and health, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCount {
    /// Whose.
    pub tenant: TenantId,
    /// In which state.
    pub state: DeviceState,
    /// In which health.
    pub health: DeviceHealth,
    /// How many.
    pub count: u64,
}

/// The registrations with which these writes begin, each with the row's JSON.
pub(crate) fn leading_registrations(writes: &[PreparedWrite]) -> Vec<(&Device, &str)> {
    writes
        .iter()
        .map_while(|prepared| match &prepared.write {
            Write::Device { device, from_revision: 0, .. } => Some((&**device, prepared.body.as_str())),
            _ => None,
        })
        .collect()
}

/// Registers devices: all of them, or an error that names one that is there already.
pub(crate) async fn register(tx: &mut Tx, devices: &[(&Device, &str)]) -> Result<(), StoreError> {
    for piece in pieces(devices) {
        let sql = format!(
            "INSERT INTO devices (tenant, id, environment, model, site, state, health, firmware, revision, body)
             VALUES {} ON CONFLICT DO NOTHING",
            values(piece.len(), 10, 1)
        );
        let made = execute_rows!(tx.conn(), sql, [], piece, |(device, body)| [
            device.tenant.as_str(),
            device.id.as_str(),
            device.environment.as_str(),
            text(&device.model),
            text(&device.site),
            state(device.state),
            device.health.as_str(),
            device.firmware.as_deref().map(text),
            row::column(device.revision),
            *body,
        ])?;
        if made != piece.len() as u64 {
            return Err(already_there(tx, piece).await?);
        }
    }
    let devices: Vec<&Device> = devices.iter().map(|(device, _)| *device).collect();
    join_groups(tx, &devices).await
}

/// Writes a device as it is now, unless it has moved on meanwhile.
pub(crate) async fn update(
    tx: &mut Tx,
    device: &Device,
    body: &str,
    from_revision: u64,
) -> Result<(), StoreError> {
    let moved = execute!(
        tx.conn(),
        "UPDATE devices SET environment = $4, model = $5, site = $6, state = $7, health = $8, firmware = $9,
                revision = $10, body = $11
         WHERE tenant = $1 AND id = $2 AND revision = $3",
        device.tenant.as_str(),
        device.id.as_str(),
        row::column(from_revision),
        device.environment.as_str(),
        text(&device.model),
        text(&device.site),
        state(device.state),
        device.health.as_str(),
        device.firmware.as_deref().map(text),
        row::column(device.revision),
        body,
    )?;
    if moved == 0 {
        return Err(StoreError::conflict("device", &device.id));
    }
    execute!(
        tx.conn(),
        "DELETE FROM device_groups WHERE tenant = $1 AND device = $2",
        device.tenant.as_str(),
        device.id.as_str()
    )?;
    join_groups(tx, &[device]).await
}

async fn join_groups(tx: &mut Tx, devices: &[&Device]) -> Result<(), StoreError> {
    let members: Vec<(&Device, &str)> = devices
        .iter()
        .flat_map(|device| device.groups.iter().map(|group| (*device, group.as_str())))
        .collect();
    for piece in pieces(&members) {
        let sql = format!(
            "INSERT INTO device_groups (tenant, device, name) VALUES {} ON CONFLICT DO NOTHING",
            values(piece.len(), 3, 1)
        );
        execute_rows!(tx.conn(), sql, [], piece, |(device, group)| [
            device.tenant.as_str(),
            device.id.as_str(),
            *group
        ])?;
    }
    Ok(())
}

/// Which of these was there before: the row that is not this one. Two of the same name in one commit count too.
async fn already_there(tx: &mut Tx, piece: &[(&Device, &str)]) -> Result<StoreError, StoreError> {
    for (device, body) in piece {
        let found = fetch_optional!(
            tx.conn(),
            (String,),
            "SELECT body FROM devices WHERE tenant = $1 AND id = $2",
            device.tenant.as_str(),
            device.id.as_str()
        )?;
        if found.is_none_or(|(found,)| found != *body) {
            return Ok(StoreError::exists("device", &device.id));
        }
    }
    let id = piece.first().map(|(device, _)| device.id.to_string()).unwrap_or_default();
    Ok(StoreError::exists("device", id))
}

fn state(state: DeviceState) -> &'static str {
    match state {
        DeviceState::Active => "active",
        DeviceState::Retired => "retired",
    }
}

impl Store {
    /// A device.
    pub async fn device(&self, tenant: &TenantId, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let found = fetch_optional!(
            self.db().reader(),
            (String,),
            "SELECT body FROM devices WHERE tenant = $1 AND id = $2",
            tenant.as_str(),
            id.as_str()
        )?;
        found.map(|(body,)| row::body("device", id.as_str(), &body)).transpose()
    }

    /// The devices of a tenant by id.
    pub async fn devices(
        &self,
        tenant: &TenantId,
        filter: &DeviceFilter,
        page: &Page,
    ) -> Result<Vec<Device>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM devices d
             WHERE tenant = $1 AND id > $2
               AND ($3 = '' OR environment = $3) AND ($4 = '' OR site = $4) AND ($5 = '' OR model = $5)
               AND ($6 = '' OR state = $6) AND ($7 = '' OR health = $7)
               AND ($8 = '' OR EXISTS (SELECT 1 FROM device_groups g
                                       WHERE g.tenant = d.tenant AND g.device = d.id AND g.name = $8))
             ORDER BY id LIMIT $9",
            tenant.as_str(),
            page.above(),
            filter.environment.as_ref().map_or("", Environment::as_str),
            filter.site.as_deref().map(text).unwrap_or_default(),
            filter.model.as_deref().map(text).unwrap_or_default(),
            filter.state.map_or("", state),
            filter.health.map_or("", DeviceHealth::as_str),
            filter.group.as_ref().map_or("", |group| group.as_str()),
            page.limit(),
        )?;
        row::bodies("device", rows)
    }

    /// The devices of an environment that a selector chooses, by id.
    pub async fn devices_chosen(
        &self,
        tenant: &TenantId,
        environment: &Environment,
        selector: &Selector,
    ) -> Result<Vec<Device>, StoreError> {
        // SQL narrows the rows down where it is cheap; the selector alone decides.
        let site = match &selector.sites[..] {
            [site] => text(site),
            _ => "".into(),
        };
        let rows = fetch_all!(
            self.db().reader(),
            (String, String),
            "SELECT id, body FROM devices
             WHERE tenant = $1 AND environment = $2 AND state = 'active'
               AND ($3 = '' OR model = $3) AND ($4 = '' OR site = $4) ORDER BY id",
            tenant.as_str(),
            environment.as_str(),
            selector.model.as_deref().map(text).unwrap_or_default(),
            site,
        )?;
        let mut devices: Vec<Device> = row::bodies("device", rows)?;
        devices.retain(|device| selector.chooses(device));
        Ok(devices)
    }

    /// How many devices are in which state and health, over all tenants.
    pub async fn device_counts(&self) -> Result<Vec<DeviceCount>, StoreError> {
        let rows = fetch_all!(
            self.db().reader(),
            (String, String, String, i64),
            "SELECT tenant, state, health, COUNT(*) FROM devices GROUP BY tenant, state, health
             ORDER BY tenant, state, health"
        )?;
        rows.into_iter()
            .map(|(tenant, state, health, count)| {
                Ok(DeviceCount {
                    state: row::word("device", &tenant, &state)?,
                    health: row::word("device", &tenant, &health)?,
                    tenant: row::word("device", &tenant, &tenant)?,
                    count: row::number(count),
                })
            })
            .collect()
    }
}
