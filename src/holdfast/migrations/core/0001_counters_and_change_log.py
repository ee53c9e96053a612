"""counters and change log"""

revision = 'core_0001'
down_revision = None
branch_labels = ('core',)
depends_on = ('realm_0001',)

STEPS = [{'step': 'create_log'}]
