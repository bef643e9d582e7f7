import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { isLocked, takeLock } from '../../src/segments/lock.ts'

t.test('a lock is held by one, seen by others, and free when it is given back', async t => {
  const file = `${t.testdir()}/a.lock`
  t.equal(isLocked(file), false)
  const lock = takeLock(file)
  t.not(lock, null)
  t.equal(takeLock(file), null)
  t.equal(isLocked(file), true)
  lock?.release()
  t.equal(isLocked(file), false)
  const again = takeLock(file)
  t.not(again, null)
  again?.release()
})

t.test('a process that is killed holds nothing any more', async t => {
  const dir = t.testdir()
  const module = new URL('../../src/segments/lock.ts', import.meta.url).href
  writeFileSync(
    `${dir}/holder.mjs`,
    `import { takeLock } from '${module}'; takeLock('${dir}/b.lock'); process.send('held'); setInterval(() => {}, 1000)`
  )
  const child = fork(`${dir}/holder.mjs`, { execArgv: [] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  t.equal(isLocked(`${dir}/b.lock`), true)
  t.equal(takeLock(`${dir}/b.lock`), null)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = takeLock(`${dir}/b.lock`)
  t.not(lock, null)
  lock?.release()
})

t.test('no lock is taken through a link, and nothing is made where one leads', async t => {
  const dir = t.testdir({ there: '' })
  for (const aim of ['nowhere', 'there']) {
    symlinkSync(`${dir}/${aim}`, `${dir}/${aim}.lock`)
    t.throws(() => takeLock(`${dir}/${aim}.lock`), { code: 'ELINK', message: /is a link/ })
  }
  t.notOk(existsSync(`${dir}/nowhere`))
  t.equal(readFileSync(`${dir}/there`, 'utf8'), '')
})

t.test('a file that is no lock is not mistaken for a free one', async t => {
  const dir = t.testdir({ c: 'x'.repeat(2_000) })
  t.throws(() => takeLock(`${dir}/c`))
  t.equal(isLocked(`${dir}/c`), null)
})
