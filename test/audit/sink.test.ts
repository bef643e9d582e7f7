import { readFileSync } from 'node:fs'
import t from 'tap'
import { openAuditSink } from '../../src/audit/sink.ts'

t.test('lines are appended in order, each whole, and all of them are there after the close', async t => {
  const file = `${t.testdir({ 'audit.log': '{"old":1}\n' })}/audit.log`
  const sink = openAuditSink(file, err => t.fail(String(err)))
  for (let n = 0; n < 500; n++) sink.write({ n, text: 'with\nnewline' })
  await sink.close()
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.equal(lines.length, 501)
  t.strictSame(
    lines.slice(1).map(line => JSON.parse(line).n),
    Array.from({ length: 500 }, (_, n) => n)
  )
})

t.test('the folder of the log is made when it is missing', async t => {
  const file = `${t.testdir()}/deep/er/audit.log`
  const sink = openAuditSink(file, err => t.fail(String(err)))
  sink.write({ a: 1 })
  await sink.close()
  t.equal(readFileSync(file, 'utf8'), '{"a":1}\n')
})
