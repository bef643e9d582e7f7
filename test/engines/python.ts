import { existsSync, globSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Ms } from '../../src/time.ts'
import type { Children } from './children.ts'
import type { Tools } from './engine.ts'

/** What is installed is kept here until its version changes. */
export const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tollgate-test-engines')
const INSTALL_LIMIT_MS: Ms = 15 * 60_000
const GIB = 1024 ** 3

/** What keeps Python's libraries from looking anything up, and from telling anybody. */
export const OFFLINE = {
  HF_HOME: join(CACHE, 'hf'),
  HF_HUB_OFFLINE: '1',
  TRANSFORMERS_OFFLINE: '1',
  DO_NOT_TRACK: '1'
}

/** A folder with Python packages of its own. */
export interface Venv {
  readonly dir: string
  readonly python: string
  /** Where its packages are. */
  readonly packages: string
}

/** Runs a command to its end. */
export type Run = (command: string, ...args: string[]) => Promise<void>
/** Runs `pip install` in the folder that is being made. */
export type Pip = (...args: string[]) => Promise<void>

/**
 * A folder with packages, made once: a half-made one is made anew.
 * @throws when there is no fit Python, or too little room, or a package cannot be had
 */
export async function makeVenv(
  { children, say }: Tools,
  options: { name: string; gigabytes: number; fill: (pip: Pip, venv: Venv, run: Run) => Promise<void> }
): Promise<Venv> {
  const { name, gigabytes, fill } = options
  const dir = join(CACHE, name)
  const stamp = join(dir, 'complete')
  if (existsSync(stamp)) return venvIn(dir)
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(CACHE, { recursive: true })
  const { bavail, bsize } = statfsSync(CACHE)
  const free = (bavail * bsize) / GIB
  if (free < gigabytes) throw new Error(`${name} needs ${gigabytes} GB in ${CACHE}: there are ${free.toFixed(1)}`)

  const logFile = join(CACHE, `install-${name}.log`)
  rmSync(logFile, { force: true })
  const run: Run = (command, ...args) => children.run(command, args, { logFile, limitMs: INSTALL_LIMIT_MS })
  say(`installing ${name}, once: up to ${gigabytes} GB (the log is ${logFile})`)
  await run(await findPython(children, logFile), '-m', 'venv', dir)
  const made = venvIn(dir)
  const pip: Pip = (...args) =>
    run(made.python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', ...args)
  await fill(pip, made, run)
  writeFileSync(stamp, '')
  return made
}

function venvIn(dir: string): Venv {
  const [packages = ''] = globSync('lib/python3*/site-packages', { cwd: dir })
  return { dir, python: join(dir, 'bin/python'), packages: join(dir, packages) }
}

async function findPython(children: Children, logFile: string): Promise<string> {
  const isFit = 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
  for (const python of ['python3', 'python3.13', 'python3.12', 'python3.11']) {
    const fits = children.run(python, ['-c', isFit], { logFile, limitMs: 30_000 }).then(
      () => true,
      () => false
    )
    if (await fits) return python
  }
  throw new Error('Python 3.11, 3.12 or 3.13 is needed, with its venv (python3-venv on Debian)')
}
