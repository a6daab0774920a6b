//! Every change to the engine's tables, with the transaction it was committed in.

use db::testing::TestDatabase;

/// One changed row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The transaction.
    pub transaction: String,
    /// The table, such as `history`.
    pub table: String,
    /// `INSERT`, `UPDATE` or `DELETE`.
    pub operation: String,
}

/// Begins to note down.
pub(crate) async fn watch(database: &TestDatabase) {
    let superuser = database.superuser().await;
    superuser.batch_execute(WATCH).await.expect("a superuser may add triggers");
}

/// What was noted down, in order.
pub(crate) async fn read(database: &TestDatabase) -> Vec<Write> {
    let superuser = database.superuser().await;
    let sql = "SELECT xid::text, tab, op FROM public.writes ORDER BY n";
    let rows = superuser.query(sql, &[]).await.expect("the notes can be read");
    let write = |row: &tokio_postgres::Row| Write {
        transaction: row.get(0),
        table: row.get(1),
        operation: row.get(2),
    };
    rows.iter().map(write).collect()
}

/// The partitions' rows are noted under the name of their table.
const WATCH: &str = "\
    CREATE TABLE public.writes (\
        n bigserial PRIMARY KEY, xid xid8 NOT NULL, tab text NOT NULL, op text NOT NULL); \
    CREATE FUNCTION public.note_write() RETURNS trigger \
        LANGUAGE plpgsql SECURITY DEFINER AS $$ \
        BEGIN \
            INSERT INTO public.writes (xid, tab, op) \
            VALUES (pg_current_xact_id(), TG_ARGV[0], TG_OP); \
            RETURN NULL; \
        END $$; \
    DO $$ \
    DECLARE name text; \
    BEGIN \
        FOREACH name IN ARRAY ARRAY['runs', 'journal', 'history', 'run_keys', \
            'run_labels', 'run_failures'] LOOP \
            EXECUTE format('CREATE TRIGGER note_write AFTER INSERT OR UPDATE OR DELETE \
                ON forge.%I FOR EACH ROW EXECUTE FUNCTION public.note_write(%L)', name, name); \
        END LOOP; \
    END $$";
