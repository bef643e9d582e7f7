import { writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { FromWorker } from '../../src/bill/worker.ts'
import { writeSegment } from '../helpers/bills.ts'

const WHO = { iss: 'https://idp.example.com', sub: 'u-1', team: 'team-a' }
const NOW = new Date().toISOString()

function thread(t: Test, dir: string): { ask(id: string): void; told(): Promise<FromWorker>; readonly worker: Worker } {
  const worker = new Worker(new URL('../../src/bill/worker.ts', import.meta.url), {
    workerData: { dir, timeZone: 'UTC' },
    execArgv: []
  })
  t.teardown(() => worker.terminate())
  const messages: FromWorker[] = []
  const waiting: ((message: FromWorker) => void)[] = []
  worker.on('message', message => {
    const wake = waiting.shift()
    if (wake === undefined) messages.push(message)
    else wake(message)
  })
  return {
    worker,
    ask: id => worker.postMessage({ id, who: WHO }),
    told: async () => messages.shift() ?? (await new Promise(resolve => waiting.push(resolve)))
  }
}

t.test('an answer has everything that stood in the ledger when its question came', async t => {
  const dir = t.testdir()
  const { ask, told } = thread(t, dir)
  for (let number = 0; number < 5; number++) {
    writeSegment(dir, [{ time: NOW }, { time: NOW, sub: 'u-2' }], { number, isSealed: number % 2 === 0 })
    ask(`q-${number}`)
    t.match(await told(), { id: `q-${number}`, usage: { sub: 'u-1', month: { total: { requests: number + 1 } } } })
  }
})

t.test('what cannot be added up is said, and tried again with the next question', async t => {
  const dir = t.testdir({ 'rollup.sqlite': 'no database'.repeat(1_000) })
  const { ask, told, worker } = thread(t, dir)
  t.match(await told(), { id: null, failed: /not a database/ })
  ask('q')
  t.match(await told(), { id: 'q', failed: /not a database/ })
  writeFileSync(`${dir}/rollup.sqlite`, '')
  ask('q')
  t.match(await told(), { id: 'q', usage: { month: { total: { requests: 0 } } } })
  worker.postMessage('close')
  t.equal(await new Promise(resolve => worker.once('exit', resolve)), 0)
})
