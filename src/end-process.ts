import { hasStuckWrite } from './line-writer.ts'
import type { Ms } from './time.ts'

const UNREAD_MS: Ms = 500

/**
 * Ends the process, also when nobody reads the rest of its output. Node itself would wait for the reader, and `process.exit`
 * for a disk that hangs: then the process ends by SIGKILL.
 */
export async function endProcess(exitCode: number): Promise<never> {
  const isRead = Promise.all(
    [process.stdout, process.stderr].map(stream => new Promise(done => stream.write('', done)))
  )
  await Promise.race([isRead, new Promise(resolve => setTimeout(resolve, UNREAD_MS))])
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
