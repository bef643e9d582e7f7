import { readFileSync } from 'node:fs'
import type { Ms } from './time.ts'

const LOOK_MS: Ms = 500
const SHELL = /^(?:sh|dash|bash|ash|busybox)$/

/**
 * Tells when npm has ended, or the shell that it has started this process through. npm passes SIGTERM on to that shell alone,
 * which ends and tells its own child nothing; of a SIGKILL of npm, nobody is told.
 *
 * @param env of the process: npm, pnpm and yarn name themselves there @returns ends the watch
 */
export function watchParent(env: NodeJS.ProcessEnv, onGone: () => void): () => void {
  if (env.npm_config_user_agent === undefined) return () => {}
  const shell = process.ppid
  const npm = SHELL.test(statOf(shell).name) ? statOf(shell).parent : null
  const looking = setInterval(() => {
    if (process.ppid === shell && (npm === null || statOf(shell).parent === npm)) return
    clearInterval(looking)
    onGone()
  }, LOOK_MS).unref()
  return () => clearInterval(looking)
}

/** Name and parent of a process, as /proc has them; empty where there is none. */
function statOf(pid: number): { readonly name: string; readonly parent: string } {
  try {
    const [, name = '', parent = ''] = /\((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return { name, parent }
  } catch {
    return { name: '', parent: '' }
  }
}
