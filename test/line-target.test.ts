import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { mock } from 'node:test'
import t from 'tap'
import { FollowedTarget, openLineTarget } from '../src/line-target.ts'

const { O_NONBLOCK, O_RDONLY } = constants

t.test('a pipe is written without waiting, and who shares it keeps waiting as before', async t => {
  const path = `${t.testdir()}/pipe`
  execFileSync('mkfifo', [path])
  const reader = openSync(path, O_RDONLY | O_NONBLOCK)
  const given = openSync(path, 'w')
  const flags = () =>
    Number.parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${given}`, 'utf8'))?.[1] ?? '', 8)
  const target = openLineTarget(given)
  t.notOk(target.mayWait)
  t.throws(
    () => {
      for (;;) writeSync(target.fd, Buffer.alloc(4096))
    },
    { code: 'EAGAIN' }
  )
  t.notOk(flags() & O_NONBLOCK)
  target.close()
  for (const fd of [given, reader]) closeSync(fd)
})

t.test('a named pipe that nobody reads keeps no process from its start', async t => {
  const path = `${t.testdir()}/pipe`
  execFileSync('mkfifo', [path])
  const target = openLineTarget(path)
  writeSync(target.fd, 'first\n')
  const reader = openSync(path, O_RDONLY | O_NONBLOCK)
  const held = Buffer.alloc(16)
  t.equal(held.toString('utf8', 0, readSync(reader, held)), 'first\n')
  target.close()
  closeSync(reader)
})

t.test('a file that was renamed or deleted is followed by name, unasked, within five seconds', async t => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const path = `${t.testdir()}/file`
  let opened = Promise.withResolvers<Error | null>()
  const followed = new FollowedTarget(path, err => opened.resolve(err))
  for (const move of [() => renameSync(path, `${path}.1`), () => rmSync(path)]) {
    writeSync(followed.current().fd, 'before\n')
    move()
    opened = Promise.withResolvers()
    mock.timers.tick(5_000)
    t.equal(await opened.promise, null)
    writeSync(followed.current().fd, 'after\n')
    t.equal(readFileSync(path, 'utf8'), 'after\n')
    if (move.toString().includes('rename')) t.equal(readFileSync(`${path}.1`, 'utf8'), 'before\n')
  }
  followed.close({ isBusy: false })
})

t.test('while the new file cannot be opened, the old one is written, and it is said once', async t => {
  const dir = t.testdir({ logs: {} })
  const said: string[] = []
  let next = Promise.withResolvers<void>()
  const followed = new FollowedTarget(`${dir}/logs/file`, err => {
    said.push(err === null ? 'opened' : 'failed')
    next.resolve()
  })
  renameSync(`${dir}/logs`, `${dir}/old`)
  closeSync(openSync(`${dir}/logs`, 'w'))
  followed.look()
  await next.promise
  writeSync(followed.current().fd, 'kept\n')
  t.equal(readFileSync(`${dir}/old/file`, 'utf8'), 'kept\n')
  t.match(followed.fault, { code: 'EEXIST' })
  rmSync(`${dir}/logs`)
  next = Promise.withResolvers()
  followed.look()
  await next.promise
  writeSync(followed.current().fd, 'new\n')
  t.equal(readFileSync(`${dir}/logs/file`, 'utf8'), 'new\n')
  t.strictSame(said, ['failed', 'opened'])
  t.equal(followed.fault, null)
  followed.close({ isBusy: false })
})
