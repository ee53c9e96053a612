-- The table of the hand-written sync references: accounts by the ids that devices make, with the number of their last
-- change, and a counter for each tenant.
CREATE TABLE tenant_counters (
    tenant_id uuid   PRIMARY KEY,
    head      bigint NOT NULL
);
CREATE TABLE financial_accounts (
    id            text           NOT NULL,
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
    deleted       boolean        NOT NULL DEFAULT false,
    seq           bigint         NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX financial_accounts_seq ON financial_accounts (tenant_id, seq);
CREATE INDEX financial_accounts_owner ON financial_accounts (tenant_id, user_id);
CREATE INDEX financial_accounts_type ON financial_accounts (tenant_id, account_type);
