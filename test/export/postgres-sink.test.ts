import t from 'tap'
import { createPostgresSink } from '../../src/export/postgres-sink.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { usageLine } from '../helpers/ledger-lines.ts'
import { startPostgres, WITHOUT_POSTGRES } from '../helpers/postgres.ts'

t.test('records in a table of PostgreSQL', WITHOUT_POSTGRES, async t => {
  const server = await startPostgres(t)
  const sink = createPostgresSink(server.options, { timeoutMs: 5_000 })
  t.teardown(sink.close)
  const count = async () => (await server.query<{ n: number }>('SELECT count(*)::int AS n FROM billing.usage'))[0]?.n

  await t.test('a table that is missing is said to be, and made, once or more often', async t => {
    await t.rejects(sink.send([usageLine(1, null)]), {
      kind: 'unavailable',
      message: /SQLSTATE 42P01.*usage export --init' makes billing\.usage/
    })
    await sink.createTable()
    await sink.createTable()
    const columns = await server.query<{ name: string; type: string }>(
      "SELECT column_name AS name, data_type AS type FROM information_schema.columns WHERE table_name = 'usage'"
    )
    const typeOf = (name: string) => columns.find(column => column.name === name)?.type
    t.equal(typeOf('time'), 'timestamp with time zone')
    t.equal(typeOf('input_tokens'), 'bigint')
    t.equal(typeOf('audio_seconds'), 'numeric')
    t.equal(typeOf('stream'), 'boolean')
  })

  await t.test('numbers are exact, null is kept, and time is an instant', async t => {
    const usage = {
      ...usageLine(1, null).data.usage,
      input: Number.MAX_SAFE_INTEGER,
      output: 0,
      cached_input: null,
      audio_seconds: 0.1
    }
    await sink.send([usageLine(1, 17, { usage, status: null, sub: 'Ünï "q" \\ \' ; 🜁' })])
    const [row] = await server.query<Record<string, unknown>>(
      'SELECT *, extract(epoch FROM time) * 1000 AS at_ms FROM billing.usage'
    )
    t.match(row, {
      id: usageLine(1, null).id,
      call: '17',
      input_tokens: '9007199254740991',
      output_tokens: '0',
      cached_input_tokens: null,
      audio_seconds: '0.1',
      status: null,
      sub: 'Ünï "q" \\ \' ; 🜁',
      stream: true
    })
    t.equal(Number(row?.at_ms), Date.parse(usageLine(1, null).time))
  })

  await t.test('what is there already stays as it is', async t => {
    await sink.send([usageLine(1, 17, { sub: 'other' }), usageLine(2, null), usageLine(2, null)])
    t.equal(await count(), 2)
    const [row] = await server.query<{ sub: string }>('SELECT sub FROM billing.usage WHERE call = 17')
    t.match(row, { sub: /^Ünï/ })
  })

  await t.test('a record that does not fit is refused, and nothing of its batch is kept', async t => {
    const bad = usageLine(4, null, { status: 5_000_000_000 })
    await t.rejects(sink.send([usageLine(3, null), bad]), { kind: 'refused', message: /SQLSTATE 22003/ })
    t.equal(await count(), 2)
    await server.query("ALTER TABLE billing.usage ADD CHECK (outcome <> 'drained')")
    await t.rejects(sink.send([usageLine(4, null, { outcome: 'drained' })]), {
      kind: 'refused',
      message: /SQLSTATE 23514/
    })
  })

  await t.test('a connection that broke is opened anew with the next batch', async t => {
    await sink.send([usageLine(5, null)])
    await server.crash()
    await sink.send([usageLine(6, null)]).catch(() => sink.send([usageLine(6, null)]))
    t.equal(await count(), 4)
    await server.stop()
    await t.rejects(sink.send([usageLine(7, null)]), { kind: 'unavailable', message: /^it does not answer/ })
    await server.start()
    await sink.send([usageLine(7, null)])
    t.equal(await count(), 5)
  })

  await t.test('a server that is locked up is not waited for for ever', async t => {
    const slow = createPostgresSink(server.options, { timeoutMs: 1_000 })
    t.teardown(slow.close)
    const locked = server.query('BEGIN; LOCK TABLE billing.usage; SELECT pg_sleep(2); COMMIT')
    for (;;) {
      const held = await server.query(
        "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'billing.usage'::regclass"
      )
      if (held.length > 0) break
    }
    await t.rejects(slow.send([usageLine(8, null)]), { kind: 'unavailable', message: /timeout/ })
    await locked
    await slow.send([usageLine(8, null)])
    t.equal(await count(), 6)
  })

  await t.test('a wrong password, or none, is said; the password is not, and the environment is not asked', async t => {
    process.env.PGPASSWORD = server.options.password ?? ''
    t.teardown(() => {
      delete process.env.PGPASSWORD
    })
    for (const password of ['wrong-secret', null]) {
      const other = createPostgresSink({ ...server.options, password }, { timeoutMs: 5_000 })
      const err = await other.send([usageLine(9, null)]).catch(error => error)
      t.match(err, { kind: 'unavailable' })
      t.notMatch(String(err.message), 'wrong-secret')
      await other.close()
    }
  })
})

t.test(
  'TLS: who is not vouched for gets nothing, and a server without it is not spoken to',
  WITHOUT_POSTGRES,
  async t => {
    const tls = makeCertificate(t)
    const [server, plain] = [await startPostgres(t, tls), await startPostgres(t)]
    const open = async (options: typeof server.options) => {
      const sink = createPostgresSink(options, { timeoutMs: 5_000 })
      await sink.createTable().finally(sink.close)
    }
    await open({ ...server.options, tls: true, ca: tls.cert })
    await t.rejects(open({ ...server.options, tls: true }), { message: /self-signed certificate/ })
    await t.rejects(open({ ...server.options, host: 'localhost', tls: true, ca: tls.cert }), {
      message: /Hostname\/IP does not match/
    })
    await t.rejects(open({ ...plain.options, tls: true, ca: tls.cert }), { message: /does not support SSL/ })
  }
)
