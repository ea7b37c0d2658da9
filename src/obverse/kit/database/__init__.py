"""PostgreSQL: the pool, units of work, migrations, the server we bring along, and what we refuse to run on.

`Database` is what rooms get to see; `Connection` is what their repositories take. The rest is for starting
up: `checks`, `migrating` and `embedded` are imported by name where they are needed.
"""

from obverse.kit.database.pool import APPLICATION_ROLE, Connection, Database
from obverse.kit.database.rows import Table, insert_rows

__all__ = ["APPLICATION_ROLE", "Connection", "Database", "Table", "insert_rows"]
