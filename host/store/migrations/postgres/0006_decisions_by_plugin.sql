-- Which plugin answered, by name and by digest: empty when the policies did.
ALTER TABLE decisions ADD COLUMN plugin TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE decisions ADD COLUMN plugin_digest TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE decisions SET plugin = body::json #>> '{subject,name}', plugin_digest = body::json #>> '{subject,digest}'
WHERE body::json #>> '{subject,type}' = 'plugin';
CREATE INDEX decisions_by_plugin ON decisions (tenant, plugin, id) WHERE plugin <> '';
CREATE INDEX decisions_by_plugin_digest ON decisions (tenant, plugin_digest) WHERE plugin_digest <> '';
