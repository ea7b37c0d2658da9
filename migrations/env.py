"""Run the migrations on the connection that `obverse.kit.database.migrating` opened."""

from alembic import context


def run_migrations() -> None:
    context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


run_migrations()
