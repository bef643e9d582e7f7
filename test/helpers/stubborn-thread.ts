import { parentPort, workerData } from 'node:worker_threads'

// Stands in for the thread that adds up: answers nothing, and dies when it is asked for a subject called "die".
parentPort?.on('message', message => {
  if (message === 'close' || message.who.sub === 'die') process.exit(message === 'close' ? 0 : 3)
  if (message.who.sub === 'late') return
  parentPort?.postMessage({ id: message.id, usage: { asked: message.id, dir: workerData.dir } })
})
