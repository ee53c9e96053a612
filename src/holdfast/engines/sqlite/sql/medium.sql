-- What makes an empty file Holdfast's. One row says which file this is and where it stands in its own history: `moment` rises with
-- each transaction that writes. `flush` is 1 within a flush alone, and never in what is committed.
create table if not exists holdfast__medium (
  one integer primary key check (one = 1),
  medium text not null,
  moment integer not null check (moment >= 0),
  flush integer not null check (flush in (0, 1))
) strict;

insert into holdfast__medium (one, medium, moment, flush)
select 1, lower(hex(randomblob(16))), 0, 0 where not exists (select 1 from holdfast__medium);
