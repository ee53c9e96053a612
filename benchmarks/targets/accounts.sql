-- The table of the hand-written references: the finance pack's accounts, tenant first in every key and index.
CREATE TABLE financial_accounts (
    id            uuid           NOT NULL,
    tenant_id     uuid           NOT NULL,
    user_id       uuid           NOT NULL,
    name          varchar(255)   NOT NULL,
    account_type  varchar(20)    NOT NULL
        CHECK (account_type IN ('checking', 'savings', 'investment', 'retirement', 'credit', 'loan', 'other')),
    institution   varchar(255),
    balance       numeric(15, 2) NOT NULL DEFAULT 0,
    currency      char(3)        NOT NULL DEFAULT 'USD'
        CHECK (currency IN ('USD', 'EUR', 'GBP', 'JPY', 'CAD', 'AUD')),
    interest_rate numeric(5, 4),
    is_active     boolean        NOT NULL DEFAULT true,
    metadata      jsonb          NOT NULL DEFAULT '{}',
    created_at    timestamptz    NOT NULL,
    updated_at    timestamptz    NOT NULL,
    synced_at     timestamptz,
    version       bigint         NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX financial_accounts_owner ON financial_accounts (tenant_id, user_id);
CREATE INDEX financial_accounts_type ON financial_accounts (tenant_id, account_type);
