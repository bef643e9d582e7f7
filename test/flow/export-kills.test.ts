import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { verifyLedger } from '../../src/bill/verify.ts'
import { createPostgresSink } from '../../src/export/postgres-sink.ts'
import { runGate } from '../helpers/gate-process.ts'
import { ledgerIn, OPEN, recover, USAGE, usagesIn } from '../helpers/ledger-files.ts'
import { PASSWORD, startPostgres, WITHOUT_POSTGRES } from '../helpers/postgres.ts'
import { type Answer, startReceiver } from '../helpers/receiver.ts'
import { fileWithSinks } from '../helpers/sinks.ts'

const ROUNDS = 3

/** What may befall a batch on its way. */
function mishap(random: number): Answer {
  if (random < 0.5) return 204
  if (random < 0.6) return 'reset'
  if (random < 0.7) return 'kept, and reset'
  if (random < 0.8) return 500
  if (random < 0.9) return { status: 429, headers: { 'retry-after': '0' } }
  return 'silence'
}

/** Writes usages into segments that follow one another, in boots that end, or die, until it is told to stop. */
function writing(dir: string) {
  let isOver = false
  let written = 0
  const work = (async () => {
    for (let boot = 0; !isOver; boot++) {
      const { ledger } = ledgerIn(dir, { segmentBytes: 30_000 })
      for (let n = 0; n < 20 && !isOver; n++) {
        for (let m = 0; m < 10; m++, written++)
          ledger.charge(ledger.open(OPEN), 'team-a', { ...USAGE, sub: written % 97 === 5 ? 'refused' : `u-${written}` })
        await new Promise(resolve => setTimeout(resolve, 60))
      }
      // A call that was open when its gate ended is written down by the next start.
      if (boot % 2 === 1) ledger.open(OPEN)
      await ledger.close()
      await recover(dir)
    }
  })()
  return async () => {
    isOver = true
    await work
  }
}

async function killed(t: Test, file: string, sink: string, env: NodeJS.ProcessEnv): Promise<void> {
  const exporter = runGate(t, ['usage', 'export', '--config', file, '--sink', sink, '--follow'], env)
  await exporter.says('usage is shipped')
  await new Promise(resolve => setTimeout(resolve, Math.random() * 600))
  exporter.child.kill('SIGKILL')
  t.equal(await exporter.exit, 'SIGKILL')
}

t.test(
  'exporters that are killed at random moments, sinks that drop, fail and die: every record arrives, and counts once',
  { timeout: 180_000, ...WITHOUT_POSTGRES },
  async t => {
    const [receiver, server] = [await startReceiver(t), await startPostgres(t)]
    const dir = t.testdir({ usage: {} })
    const [usage, file, env] = [`${dir}/usage`, `${dir}/tollgate.yaml`, { PG_SECRET: PASSWORD }]
    const more = 'batch: { records: 40, size: 64KiB }, timeout: 300ms'
    writeFileSync(
      file,
      fileWithSinks(
        usage,
        `{ lake: { http: { url: "${receiver.url}" }, ${more} }, db: { postgres: ${server.yaml}, ${more.replace('300ms', '5s')} } }`
      )
    )
    const ship = (sink: string) => runGate(t, ['usage', 'export', '--config', file, '--sink', sink], env)
    const table = createPostgresSink(server.options, { timeoutMs: 10_000 })
    await table.createTable().finally(table.close)
    await server.query("ALTER TABLE billing.usage ADD CHECK (sub <> 'refused')")
    let isCalm = false
    receiver.decide = ({ events }) => {
      const what = isCalm ? 204 : mishap(Math.random())
      return what === 204 && events.some(({ data }) => data.sub === 'refused') ? 422 : what
    }
    // What it keeps before it fails is whole batches, none of which it would refuse.
    const decide = receiver.decide
    receiver.decide = (received, count) => {
      const what = decide(received, count)
      return what === 'kept, and reset' && received.events.some(({ data }) => data.sub === 'refused') ? 'reset' : what
    }

    const end = writing(usage)
    for (let round = 0; round < ROUNDS; round++) {
      const crash = round % 2 === 1 ? server.crash() : null
      await Promise.all([killed(t, file, 'lake', env), killed(t, file, 'db', env), crash])
    }
    await end()
    isCalm = true
    for (const sink of ['lake', 'db']) {
      const last = ship(sink)
      t.equal(await last.exit, 0, last.stderr())
    }

    const all = usagesIn(usage)
    t.match(verifyLedger(usage), { findings: [] })
    const idOf = ({ source, id }: { source: string; id: string }) => `${source} ${id}`
    const wanted = all.filter(({ data }) => data.sub !== 'refused').map(idOf)
    const refused = all.filter(({ data }) => data.sub === 'refused').map(idOf)
    const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0)
    t.comment(`${all.length} records, ${refused.length} refused, ${sum(receiver.kept.values())} came`)
    t.ok(wanted.length > 500 && refused.length > 0, `${wanted.length}`)

    t.strictSame([...receiver.kept.keys()].sort(), [...wanted].sort(), 'HTTP: each has arrived, and nothing else')
    const rows = await server.query<{ source: string; id: string }>('SELECT source, id FROM billing.usage')
    t.strictSame(rows.map(idOf).sort(), [...wanted].sort(), 'PostgreSQL: each is there once')
    for (const sink of ['lake', 'db']) {
      const letters = readFileSync(`${usage}/export-${sink}.dead-letters.jsonl`, 'utf8').trimEnd().split('\n')
      t.strictSame([...new Set(letters.map(line => idOf(JSON.parse(line).event)))].sort(), [...refused].sort(), sink)
    }
    const again = ship('db')
    t.equal(await again.exit, 0)
    t.equal((await server.query('SELECT 1 FROM billing.usage')).length, wanted.length)
  }
)
