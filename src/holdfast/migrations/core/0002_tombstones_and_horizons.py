"""tombstones and horizons"""

revision = 'core_0002'
down_revision = 'core_0001'
branch_labels = None
depends_on = None

STEPS = [{'step': 'create_tombstones'}]
