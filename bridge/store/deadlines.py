"""Until when a reply is tried: by a clock that stands still while its channel is down, for a time."""

from __future__ import annotations

# So much longer it may take at most: with the longest deadline there is, three days (ms).
MOST = 48 * 3600 * 1000
# For how long the channel of message `m` was down since it was written, in ms.
AWAY = f"""{{least}}({MOST}, (SELECT coalesce(sum(coalesce(i.ended_at, {{now}})
        - {{greatest}}(i.started_at, m.created_at)), 0) FROM incidents i
    WHERE i.channel_id = m.channel_id AND i.direction = 'out'
        AND (i.ended_at IS NULL OR i.ended_at > m.created_at)))"""
DEADLINE = f"(m.deadline_at + {AWAY})"
