import { spawnSync } from 'node:child_process'
import t from 'tap'
import { defaultMaxConnections, descriptorLimit } from '../../src/accept/descriptors.ts'

const MODULE = new URL('../../src/accept/descriptors.ts', import.meta.url).href

/** What a process with so many descriptors prints. */
function printed(openFiles: number, expression: string): string {
  const script = `const { descriptorLimit, hasDescriptors } = await import('${MODULE}')
const { openSync } = await import('node:fs')
console.log(${expression})`
  return spawnSync('sh', ['-c', `ulimit -n ${openFiles}; exec "$0" "$@"`, process.execPath, '-e', script], {
    encoding: 'utf8'
  }).stdout.trim()
}

t.test('the limit of the process is read from the kernel, and it is noticed when all of it is used', async t => {
  t.ok((descriptorLimit() ?? 0) > 0)
  const fill = '(() => { try { for (;;) openSync("/dev/null") } catch { return hasDescriptors() } })()'
  t.equal(printed(217, `descriptorLimit(), hasDescriptors(), ${fill}`), '217 true false')
})

t.test('connections of callers leave a descriptor for the engine of each, and some for the process itself', async t => {
  for (const descriptors of [256, 300, 1_024, 4_096, 20_000, 1_048_576]) {
    const max = defaultMaxConnections(descriptors)
    t.ok(max >= 32 && 2 * max + 100 <= descriptors, `${descriptors}: ${max}`)
  }
  t.equal(defaultMaxConnections(1_048_576), 20_000)
  t.equal(defaultMaxConnections(null), 20_000)
  t.ok(defaultMaxConnections(64) > 0)
})
