-- What was signed about kept components: whether enough signers vouch for one is asked anew each time.
CREATE TABLE plugin_envelopes (
    plugin TEXT COLLATE "C" NOT NULL,
    envelope TEXT COLLATE "C" NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (plugin, envelope)
);
