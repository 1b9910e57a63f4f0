# What Zeek does with podtap0, beside its own defaults.

# The site's policy that comes with the image.
@load local

# A line of JSON for each event.
redef LogAscii::use_json = T;
redef LogAscii::json_timestamps = JSON::TS_ISO8601;

# Checksums are complete on podtap0: a wrong one is really wrong.
redef ignore_checksums = F;

# Each packet between two pods of a node is on podtap0 once, so what is missing
# in a stream was lost: podtap's ledger says where.
@load misc/capture-loss
@load misc/stats
