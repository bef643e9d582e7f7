import { execFileSync } from 'node:child_process'
import t from 'tap'

/** Bytes of the old generation for each object of a line of code whose first objects all outlived many collections. */
function oldBytesFor(preparation: string): number {
  const script = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { neverPretenure } from '${new URL('../src/collector.ts', import.meta.url)}'
    ${preparation}
    const make = i => [i, { i }]
    let kept = []
    for (let i = 0; i < 2_000_000; i++) kept.push(make(i))
    kept = null
    const oldBytes = () => getHeapSpaceStatistics().find(space => space.space_name === 'old_space').space_used_size
    gc({ type: 'minor' })
    const before = oldBytes()
    for (let i = 0; i < 10_000; i++) globalThis.last = make(i)
    console.log((oldBytes() - before) / 10_000)`
  // Compiled at once and by one compiler: else what V8 decides hangs on how much the machine has to do.
  const args = ['--expose-gc', '--no-concurrent-recompilation', '--no-maglev', '--input-type=module', '--eval', script]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

t.test('what a call makes begins young, however long others of its kind have lived', async t => {
  t.ok(oldBytesFor('neverPretenure()') < 1)
  t.ok(oldBytesFor('') > 40, 'V8 alone makes them old: when it no longer does, this is not needed any more')
})

/** How many times what is alive the old generation grows to, in bytes of whole pages, while garbage grows old. */
function growthFor(preparation: string): number {
  const script = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { boundHeapGrowth } from '${new URL('../src/collector.ts', import.meta.url)}'
    ${preparation}
    const oldBytes = () => getHeapSpaceStatistics().find(space => space.space_name === 'old_space').space_used_size
    const make = () => Array.from({ length: 8 }, (_, i) => ({ i }))
    const alive = Array.from({ length: 60_000 }, make)
    gc()
    const base = oldBytes()
    let most = 0
    const ring = Array.from({ length: 10_000 })
    for (let i = 0; i < 800_000; i++) {
      ring[i % ring.length] = make()
      if (i % 500 !== 0) continue
      most = Math.max(most, oldBytes())
      await new Promise(resolve => setImmediate(resolve))
    }
    console.log(most / base + alive.length * 0)`
  const args = ['--expose-gc', '--input-type=module', '--eval', script]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

t.test('what is dead takes no more than a multiple of what is alive before it is collected', async t => {
  const bounded = growthFor('boundHeapGrowth()')
  t.ok(bounded < 3, `${bounded}`)
  // On a busy machine V8 may collect sooner.
  let unbounded = growthFor('')
  for (let tries = 1; tries < 4 && unbounded < 1.2 * bounded; tries++) unbounded = growthFor('')
  t.ok(unbounded >= 1.2 * bounded, `V8 alone grows to ${unbounded}: when it does not, this is not needed any more`)
})
