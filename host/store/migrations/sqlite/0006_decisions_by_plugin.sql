-- Which plugin answered, by name and by digest: empty when the policies did.
ALTER TABLE decisions ADD COLUMN plugin TEXT NOT NULL DEFAULT '';
ALTER TABLE decisions ADD COLUMN plugin_digest TEXT NOT NULL DEFAULT '';
UPDATE decisions SET plugin = json_extract(body, '$.subject.name'), plugin_digest = json_extract(body, '$.subject.digest')
WHERE json_extract(body, '$.subject.type') = 'plugin';
CREATE INDEX decisions_by_plugin ON decisions (tenant, plugin, id) WHERE plugin <> '';
CREATE INDEX decisions_by_plugin_digest ON decisions (tenant, plugin_digest) WHERE plugin_digest <> '';
