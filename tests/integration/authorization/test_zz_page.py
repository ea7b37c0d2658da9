import time
from uuid import uuid4
from obverse.authorization.repository import PAGE, _COLUMNS, LOCK
from obverse.kit.database import Database

async def test_page(database: Database, database_url: str) -> None:
    async with database.connection() as conn:
        await conn.execute("""
        insert into authorizations (partition_id,id,request_key,fingerprint,status,decline,failed_rules,approval_code,card_id,merchant_id,entry,amount_minor,currency,captured_at_once,created_at)
        select 0, lpad(to_hex(i),32,'0')::uuid, 'k'||i, 'x', 'approved', null, 0, 'AAAAAA', lpad(to_hex(i),32,'1')::uuid, lpad(to_hex(i % 1000),32,'2')::uuid, 'online', 1, 'KRW', false, now()
        from generate_series(1,400000) i""")
    import asyncpg
    own = await asyncpg.connect(database_url)
    await own.execute('analyze')
    await own.close()
    async with database.connection() as c2:
        pass

    async with database.connection() as conn:
        for name, args in (
            ("card", ([0], None, __import__('uuid').UUID(hex='1'*26+'000005'), None, None, 21)),
            ("unknown card", ([0], None, uuid4(), None, None, 21)),
            ("merchant", ([0], None, None, __import__('uuid').UUID(hex='2'*29+'005'), None, 21)),
            ("unknown merchant", ([0], None, None, uuid4(), None, 21)),
            ("status", ([0], None, None, None, "declined", 21)),
            ("all", ([0], None, None, None, None, 21)),
        ):
            times = []
            for _ in range(12):
                t = time.perf_counter(); r = await conn.fetch(PAGE, *args); times.append(round((time.perf_counter()-t)*1000,1))
            print(name, len(r), times)
