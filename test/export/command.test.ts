import { readFileSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { runExport } from '../../src/export/command.ts'
import { createTableSql } from '../../src/export/postgres-table.ts'
import { takeLock } from '../../src/segments/lock.ts'
import { ledgerIn, USAGE } from '../helpers/ledger-files.ts'
import { PASSWORD, startPostgres, WITHOUT_POSTGRES } from '../helpers/postgres.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { fileWithSinks } from '../helpers/sinks.ts'
import { Written } from '../helpers/written.ts'

/** A file, and the command with it. */
function scene(t: Test, sinks: string, env: NodeJS.ProcessEnv = {}) {
  const dir = t.testdir({ usage: {} })
  const file = `${dir}/tollgate.yaml`
  writeFileSync(file, fileWithSinks(`${dir}/usage`, sinks))
  const run = async (...args: string[]) => {
    const [stdout, stderr] = [new Written(), new Written()]
    const code = await runExport(args, { stdout, stderr, env })
    return { code, stdout: stdout.text, stderr: stderr.text }
  }
  const write = async (count: number) => {
    const { ledger } = ledgerIn(`${dir}/usage`)
    for (let n = 0; n < count; n++) ledger.charge(null, 'team-a', USAGE)
    await ledger.close()
  }
  return { dir: `${dir}/usage`, file, run, write, export: (...args: string[]) => run('--config', file, ...args) }
}

t.test('what is there is shipped, with the token of the environment', async t => {
  const receiver = await startReceiver(t)
  const s = scene(t, `{ lake: { http: { url: "${receiver.url}", token: "\${env:LAKE}" } } }`, { LAKE: 'secret-77' })
  await s.write(3)
  t.strictSame(await s.export('--sink', 'lake'), {
    code: 0,
    stdout: 'lake: 3 records shipped, 0 refused\n',
    stderr: ''
  })
  t.equal(receiver.received[0]?.headers.authorization, 'Bearer secret-77')
  t.match(await s.export('--sink', 'lake'), { code: 0, stdout: 'lake: 0 records shipped, 0 refused\n' })
})

t.test('a sink that fails is said, once for each reason, and given up; no secret is told', async t => {
  const receiver = await startReceiver(t)
  receiver.decide = () => ({ status: 401, body: 'not secret-77' })
  const s = scene(t, `{ lake: { http: { url: "${receiver.url}", token: "\${env:LAKE}" } } }`, { LAKE: 'secret-77' })
  await s.write(1)
  const { code, stdout, stderr } = await s.export('--sink', 'lake', '--retry-for', '1s')
  t.equal(code, 1)
  t.equal(stdout, 'lake: 0 records shipped, 0 refused\n')
  t.match(stderr, /lake: it answered 401 \(is the token right\?\): not ••••; it is tried again, next in 0\.\d s\.\n/)
  t.match(stderr, /it is given up: it answered 401/)
  t.equal(stderr.split('tried again').length, 2)
  t.notMatch(stderr, 'secret-77')
})

t.test('refused records are told of, and where they are', async t => {
  const receiver = await startReceiver(t)
  receiver.decide = () => 422
  const s = scene(t, `{ lake: { http: { url: "${receiver.url}" } } }`)
  await s.write(2)
  const { code, stdout, stderr } = await s.export('--sink', 'lake')
  t.equal(code, 0)
  t.equal(stdout, 'lake: 0 records shipped, 2 refused\n')
  t.match(stderr, `records are refused; they go to ${s.dir}/export-lake.dead-letters.jsonl`)
  t.equal(readFileSync(`${s.dir}/export-lake.dead-letters.jsonl`, 'utf8').trimEnd().split('\n').length, 2)
})

t.test('while another process ships, it says so', async t => {
  const s = scene(t, '{ lake: { http: { url: "http://127.0.0.1:9/" } } }')
  const lock = takeLock(`${s.dir}/export-lake.lock`)
  t.match(await s.export('--sink', 'lake'), { code: 1, stderr: /another process ships to it/ })
  lock?.release()
})

t.test('PostgreSQL: the table is printed or made, and filled', WITHOUT_POSTGRES, async t => {
  const server = await startPostgres(t)
  const s = scene(t, `{ db: { postgres: ${server.yaml} } }`, { PG_SECRET: PASSWORD })
  await s.write(4)
  t.strictSame(await s.export('--sink', 'db', '--sql'), {
    code: 0,
    stdout: createTableSql('billing.usage'),
    stderr: ''
  })
  t.match(await s.export('--sink', 'db', '--retry-for', '1ms'), { code: 1, stderr: /--init' makes billing\.usage/ })
  t.match(await s.export('--sink', 'db', '--init'), { code: 0, stdout: 'db: the table billing.usage is there\n' })
  t.match(await s.export('--sink', 'db'), { code: 0, stdout: 'db: 4 records shipped, 0 refused\n' })
  t.match(await server.query('SELECT count(*)::int AS n FROM billing.usage'), [{ n: 4 }])
  await server.stop()
  const { code, stderr } = await s.export('--sink', 'db', '--init')
  t.equal(code, 1)
  t.match(stderr, /the table billing\.usage cannot be made: it does not answer/)
  t.notMatch(stderr, PASSWORD)
})

t.test('wrong usage, and files without what is needed', async t => {
  const s = scene(t, '{ lake: { http: { url: "http://127.0.0.1:9/" } } }')
  t.match(await s.run(), { code: 2, stderr: /--config FILE is missing/ })
  t.match(await s.export(), { code: 2, stderr: /--sink NAME is missing/ })
  t.match(await s.export('--sink', 'pond'), {
    code: 2,
    stderr: /no sink is named "pond" in metering\.sinks \(there is lake\)/
  })
  t.match(await s.export('--sink', 'lake', '--retry-for', 'soon'), { code: 2, stderr: /--retry-for is a duration/ })
  t.match(await s.export('--sink', 'lake', '--init', '--follow'), { code: 2, stderr: /exclude each other/ })
  t.match(await s.export('--sink', 'lake', '--sql'), { code: 2, stderr: /lake is no table in PostgreSQL/ })
  t.match(await s.run('--help'), { code: 0, stdout: /^Usage: tollgate usage export/ })
  writeFileSync(s.file, fileWithSinks(`${s.dir}/none`, '{ lake: { http: { url: "http://127.0.0.1:9/" } } }'))
  t.match(await s.export('--sink', 'lake'), { code: 1, stderr: /no gate has written there yet/ })
  writeFileSync(s.file, fileWithSinks(s.dir, '{}').replace(/^metering.*\n/m, ''))
  t.match(await s.export('--sink', 'lake'), { code: 2, stderr: /has no 'metering'/ })
  writeFileSync(s.file, fileWithSinks(s.dir, '{ lake: {} }'))
  t.match(await s.export('--sink', 'lake'), { code: 2, stderr: /needs either "http" or "postgres"/ })
})
