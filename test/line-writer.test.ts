import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, readSync, renameSync } from 'node:fs'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { LineWriter, type LineWriterInit } from '../src/line-writer.ts'

const { O_NONBLOCK, O_RDONLY } = constants

function writerTo(to: string | number, init: Partial<LineWriterInit> = {}) {
  const failing = Promise.withResolvers<Error>()
  const recovered = Promise.withResolvers<number>()
  const reopened = Promise.withResolvers<Error | null>()
  const writer = new LineWriter(to, {
    maxHeldBytes: 1024 * 1024,
    gatherMs: 0,
    onFailing: failing.resolve,
    onRecovered: recovered.resolve,
    onReopened: reopened.resolve,
    ...init
  })
  return { writer, failing: failing.promise, recovered: recovered.promise, reopened: reopened.promise }
}

/** A pipe that is not read. */
function pipe(t: Test): { path: string; reader: number } {
  const path = `${t.testdir()}/pipe`
  execFileSync('mkfifo', [path])
  return { path, reader: openSync(path, O_RDONLY | O_NONBLOCK) }
}

const line = (n: number) => `${n} ${'x'.repeat(1_000)}\n`

t.test('nobody reads: no write waits, what is too much is counted, and a reader gets whole lines in order', async t => {
  const { path, reader } = pipe(t)
  const { writer, failing, recovered } = writerTo(path)
  const startMs = performance.now()
  for (let n = 0; n < 3_000; n++) writer.write(line(n))
  t.ok(performance.now() - startMs < 1_000)
  await failing
  const { dropped, heldBytes } = writer.status
  t.ok(dropped > 0 && heldBytes <= 1024 * 1024)
  const seen: number[] = []
  const lines = createInterface(new Socket({ fd: reader, writable: false }))
  lines.on('line', text => seen.push(Number.parseInt(text, 10)))
  t.equal(await recovered, dropped)
  await Promise.all([once(lines, 'close'), writer.close()])
  t.strictSame(
    seen,
    Array.from({ length: 3_000 - dropped }, (_, n) => n)
  )
  t.strictSame(writer.status, { heldBytes: 0, dropped, fault: null })
})

t.test('the end does not wait for a pipe that nobody reads, and says how many lines were lost', async t => {
  const { path, reader } = pipe(t)
  const { writer } = writerTo(path)
  for (let n = 0; n < 500; n++) writer.write(line(n))
  const startMs = performance.now()
  await writer.close()
  t.ok(performance.now() - startMs < 2_500)
  const taken = Buffer.alloc(1024 * 1024)
  const whole = taken.toString('utf8', 0, readSync(reader, taken)).split('\n').length - 1
  t.equal(writer.dropped, 500 - whole)
  closeSync(reader)
})

t.test('a reader that has gone, and a disk that is full, are told of once, and end nothing', async t => {
  const { path, reader } = pipe(t)
  const given = openSync(path, 'w')
  for (const [to, code] of [
    [given, 'EPIPE'],
    ['/dev/full', 'ENOSPC']
  ] as const) {
    const { writer, failing } = writerTo(to)
    if (to === given) closeSync(reader)
    writer.write('1\n')
    t.match(await failing, { code })
    writer.write('2\n')
    t.match(writer.status, { heldBytes: 4, fault: new RegExp(code) })
    await writer.close()
    t.equal(writer.dropped, 2)
  }
  closeSync(given)
})

t.test('a line that the old target has taken in part is whole in the new one', async t => {
  const { path, reader } = pipe(t)
  const { writer, reopened } = writerTo(path)
  for (let n = 0; n < 200; n++) writer.write(line(n))
  renameSync(path, `${path}.1`)
  writer.reopen()
  t.equal(await reopened, null)
  await writer.close()
  const old = Buffer.alloc(1024 * 1024)
  const before = old.toString('utf8', 0, readSync(reader, old)).split('\n').slice(0, -1)
  const after = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  t.strictSame(
    [...before, ...after].map(text => `${text}\n`),
    Array.from({ length: 200 }, (_, n) => line(n))
  )
  closeSync(reader)
})

t.test('lines gather for a moment, and those that nobody has written yet are there after the close', async t => {
  const path = `${t.testdir()}/file`
  const { writer } = writerTo(path, { gatherMs: 60_000 })
  for (let n = 0; n < 10; n++) writer.write(line(n))
  t.equal(readFileSync(path, 'utf8'), '')
  await writer.close()
  t.equal(readFileSync(path, 'utf8'), Array.from({ length: 10 }, (_, n) => line(n)).join(''))
})
