import { hasStuckWrite } from './line-writer.ts'
import type { Ms } from './time.ts'

const UNREAD_MS: Ms = 500
const LOOK_MS: Ms = 5

/**
 * Ends the process, also when nobody reads the rest of its output. Node itself would wait for the reader, and `process.exit`
 * for a disk that hangs: then the process ends by SIGKILL.
 */
export async function endProcess(exitCode: number): Promise<never> {
  const isRead = Promise.all(
    [process.stdout, process.stderr].map(stream => new Promise(done => stream.write('', done)))
  )
  const endMs = performance.now() + UNREAD_MS
  await Promise.race([isRead, new Promise(resolve => setTimeout(resolve, UNREAD_MS))])
  // One that has just begun is not stuck: its end is heard of with the next turn of the event loop.
  while (hasStuckWrite() && performance.now() < endMs) await new Promise(resolve => setTimeout(resolve, LOOK_MS))
  if (hasStuckWrite()) process.kill(process.pid, 'SIGKILL')
  process.exit(exitCode)
}

/** Whoever reads the output may leave: `tollgate … | head` is no fault of the command, and ends no gateway. */
export function forgiveClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', err => {
      if (!('code' in err) || err.code !== 'EPIPE') throw err
    })
  }
}
