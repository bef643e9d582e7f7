import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, existsSync, openSync, readFileSync, symlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { AuditLogError, openAuditSink } from '../../src/audit/sink.ts'

const quiet = (t: Test) => ({
  onFailing: (err: Error) => t.fail(String(err)),
  onRecovered: () => t.fail('nothing was amiss'),
  onReopened: () => t.fail('it was not renamed')
})

t.test('lines are appended in order, each whole, and all of them are there after the close', async t => {
  const file = `${t.testdir({ 'audit.log': '{"old":1}\n' })}/audit.log`
  const sink = openAuditSink(file, quiet(t))
  for (let n = 0; n < 500; n++) sink.write({ n, text: 'with\nnewline' })
  await sink.close()
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.equal(lines.length, 501)
  t.strictSame(
    lines.slice(1).map(line => JSON.parse(line).n),
    Array.from({ length: 500 }, (_, n) => n)
  )
})

t.test('what a caller chose is escaped in the line: no terminal obeys it, no reader ends the line there', async t => {
  const file = `${t.testdir()}/audit.log`
  const sink = openAuditSink(file, quiet(t))
  const model = 'a\u009b2J\u202eb\u2028c\u007f\u0085'
  sink.write({ model })
  await sink.close()
  const line = readFileSync(file, 'utf8')
  t.equal(line, '{"model":"a\\u009b2J\\u202eb\\u2028c\\u007f\\u0085"}\n')
  t.strictSame(JSON.parse(line), { model })
})

t.test('the folder of the log is made when it is missing', async t => {
  const file = `${t.testdir()}/deep/er/audit.log`
  const sink = openAuditSink(file, quiet(t))
  sink.write({ a: 1 })
  await sink.close()
  t.equal(readFileSync(file, 'utf8'), '{"a":1}\n')
})

t.test('a log that cannot be opened is said at once, with its name and what to do', async t => {
  const file = `${t.testdir({ file: '' })}/file/audit.log`
  try {
    openAuditSink(file, quiet(t))
    t.fail('it was opened')
  } catch (err) {
    t.ok(err instanceof AuditLogError)
    t.match(err, { message: `the audit log ${file} cannot be opened (EEXIST). Mend it, or change 'audit.to'.` })
  }
})

t.test('a log is not made through a link, and the fault says so; one that leads to a file is followed', async t => {
  const dir = t.testdir({ there: '' })
  symlinkSync(`${dir}/nowhere`, `${dir}/audit.log`)
  t.throws(() => openAuditSink(`${dir}/audit.log`, quiet(t)), { message: /audit\.log is a link to what is not there/ })
  t.notOk(existsSync(`${dir}/nowhere`))
  symlinkSync(`${dir}/there`, `${dir}/other.log`)
  const sink = openAuditSink(`${dir}/other.log`, quiet(t))
  sink.write({ a: 1 })
  await sink.close()
  t.equal(readFileSync(`${dir}/there`, 'utf8'), '{"a":1}\n')
})

t.test('a log below a folder that cannot be made is said at once too', async t => {
  t.throws(() => openAuditSink('/proc/nowhere/logs/audit.log', quiet(t)), {
    message: "the audit log /proc/nowhere/logs/audit.log cannot be opened (ENOENT). Mend it, or change 'audit.to'."
  })
})

t.test(
  'a log that takes nothing for a while is told of once; held lines follow in order, the rest is counted',
  async t => {
    // A pipe that nobody reads refuses each write, as a full disk does, until somebody reads it again.
    const path = `${t.testdir()}/pipe`
    execFileSync('mkfifo', [path])
    const openReader = () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const first = openReader()
    const told: string[] = []
    const given = openSync(path, 'w')
    const [failing, recovered] = [Promise.withResolvers<void>(), Promise.withResolvers<number>()]
    const sink = openAuditSink(given, {
      onFailing: err => {
        told.push((err as NodeJS.ErrnoException).code ?? '')
        failing.resolve()
      },
      onRecovered: recovered.resolve,
      onReopened() {}
    })
    closeSync(first)
    const megabyte = 'x'.repeat(1024 * 1024)
    for (let n = 0; n < 70; n++) sink.write({ n, megabyte })
    await failing.promise

    const lines = createInterface(new Socket({ fd: openReader(), writable: false }))
    const seen: number[] = []
    lines.on('line', line => seen.push(JSON.parse(line).n))
    sink.write({ n: 70 })
    const dropped = await recovered.promise
    t.ok(dropped > 0)
    await sink.close()
    closeSync(given)
    await once(lines, 'close')
    t.strictSame(told, ['EPIPE'])
    t.strictSame(seen, [...Array.from({ length: 70 - dropped }, (_, n) => n), 70])
  }
)
