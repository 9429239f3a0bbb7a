-- What was signed about kept components: whether enough signers vouch for one is asked anew each time.
CREATE TABLE plugin_envelopes (
    plugin TEXT NOT NULL,
    envelope TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (plugin, envelope)
) STRICT;
