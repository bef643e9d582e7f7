import { appendFileSync, utimesSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { readLedger } from '../../src/reconcile/sums.ts'
import { segmentFile, type UsageEvent } from '../../src/segments/format.ts'
import { BOOT, openLine, segmentBytes, usageLine } from '../helpers/ledger-lines.ts'

const DAY = { fromMs: Date.parse('2026-11-23'), toMs: Date.parse('2026-11-24') }
const file = (number: number) => segmentFile({ instance: 'gw-0', boot: BOOT, number, isOpen: false })
const numbers = usageLine(0, null).data.usage
const call = (data: Partial<UsageEvent['data']>, time?: string) => (seq: number) => ({
  ...usageLine(seq, 0, data),
  ...(time === undefined ? {} : { time })
})

t.test('calls are added up by model, with what is a guess and what nobody knows', async t => {
  const dir = t.testdir()
  const { bytes } = segmentBytes({
    lines: [
      openLine,
      call({ usage: { ...numbers, input: 3, output: 4 } }),
      call({ usage: { ...numbers, source: 'estimated', input: 10, output: null } }),
      call({ usage: { ...numbers, source: 'none', input: null, output: null } }),
      call({ model_served: 'lora', engine: 'sglang', usage: { ...numbers, input: 1, output: 1 } }),
      call({ engine: 'lmdeploy' }),
      call({ call: null, outcome: 'rejected' }),
      call({ usage: { ...numbers, input: 1_000, output: 0 } }, '2026-11-24T00:00:00.000Z'),
      call({ usage: { ...numbers, input: 500, output: 0 } }, '2026-11-23T00:00:00.000Z'),
      call({ usage: { ...numbers, input: 1_000, output: 0 } }, '2026-11-22T23:59:59.999Z')
    ]
  })
  writeFileSync(`${dir}/${file(0)}`, bytes)
  const { byModel, elsewhere, damages } = readLedger(dir, DAY)
  t.strictSame(
    [...byModel],
    [
      ['m', { input: 513, output: 4, calls: 4, estimated: 1, unknown: 1 }],
      ['lora', { input: 1, output: 1, calls: 1, estimated: 0, unknown: 0 }]
    ]
  )
  t.equal(elsewhere, 1)
  t.equal(damages, 0)
})

t.test('what vLLM counts again for each answer to a prompt is known by itself', async t => {
  const dir = t.testdir()
  const usage = { ...numbers, input: 100, output: 9 }
  const { bytes } = segmentBytes({
    lines: [
      openLine,
      call({ prompts: 1, answers: 3, usage }),
      call({ prompts: 2, answers: 1, usage }),
      call({ engine: 'sglang', answers: 3, usage })
    ]
  })
  writeFileSync(`${dir}/${file(0)}`, bytes)
  t.match(readLedger(dir, DAY).byModel.get('m'), { input: 300, repeated: 200 })
})

t.test('damage is told of, and files that were sealed long before are not read', async t => {
  const dir = t.testdir()
  const { bytes } = segmentBytes({ lines: [call({})] })
  writeFileSync(`${dir}/${file(0)}`, bytes)
  appendFileSync(`${dir}/${file(0)}`, '{}\n')
  t.equal(readLedger(dir, DAY).damages, 1)
  utimesSync(`${dir}/${file(0)}`, new Date('2026-11-20'), new Date('2026-11-20'))
  const { byModel, damages } = readLedger(dir, DAY)
  t.equal(byModel.size + damages, 0)
})

t.test('a folder that is not there is an error', async t => {
  t.throws(() => readLedger(`${t.testdir()}/none`, DAY), { code: 'ENOENT' })
})
