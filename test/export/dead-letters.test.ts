import { appendFileSync, readFileSync } from 'node:fs'
import t from 'tap'
import { bury } from '../../src/export/dead-letters.ts'
import { usageLine } from '../helpers/ledger-lines.ts'

const SINK = { sink: 'lake', at: '2026-11-25T08:00:00.000Z' }

t.test('a record and its reason are a line, behind those before', async t => {
  const file = `${t.testdir()}/d.jsonl`
  const [one, two] = [usageLine(1, null), usageLine(2, null)]
  bury(file, [{ event: one, reason: 'bad' }], SINK)
  bury(file, [{ event: two, reason: 'worse' }], SINK)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  t.strictSame(
    lines.map(line => JSON.parse(line)),
    [
      { ...SINK, reason: 'bad', event: one },
      { ...SINK, reason: 'worse', event: two }
    ]
  )
})

t.test('a line that a full disk has cut does not spoil the next', async t => {
  const file = `${t.testdir()}/d.jsonl`
  appendFileSync(file, '{"at":"20')
  bury(file, [{ event: usageLine(1, null), reason: 'bad' }], SINK)
  const [torn, whole] = readFileSync(file, 'utf8').split('\n')
  t.equal(torn, '{"at":"20')
  t.equal(JSON.parse(whole ?? '').reason, 'bad')
})
