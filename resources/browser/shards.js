'use strict';

/* The data of a study lies in scripts beside this page ("shards"), because a page opened from disk may run scripts but
   read no files. Each calls prefdelta.load with its name and its data. Few are kept in memory, those used last. */
const prefdelta = {};
{
  const KEPT = {pairs: 2, prompts: 4, traces: 4, items: 2, answers: 2};
  const LARGEST_WAIT = 30000; // milliseconds
  const kept = new Map(); // name -> promise of its data, in the order of their last use
  const waiting = new Map(); // name -> what resolves its promise

  prefdelta.study = null;

  prefdelta.load = (name, data) => {
    if (name === 'study') prefdelta.study = data;
    else waiting.get(name)?.(data);
  };

  const kindOf = name => name.split('/', 1)[0];

  const forget = kind => {
    const names = [...kept.keys()].filter(name => kindOf(name) === kind && !waiting.has(name));
    for (const name of names.slice(0, Math.max(0, names.length - KEPT[kind]))) kept.delete(name);
  };

  const fetch = name =>
    new Promise((resolve, reject) => {
      const script = document.createElement('script');
      const done = (settle, value) => {
        clearTimeout(timer);
        waiting.delete(name);
        script.remove();
        settle(value);
      };
      const missing = why => done(reject, new Error(`data/${name}.js ${why}`));
      const timer = setTimeout(missing, LARGEST_WAIT, 'did not load in time.');
      waiting.set(name, data => done(resolve, data));
      script.onerror = () => missing('is not there. The folder is incomplete: was it copied without its data?');
      script.onload = () => {
        if (waiting.has(name)) missing('cannot be read: it is cut or not of this study.');
      };
      script.src = `data/${name}.js`;
      document.head.append(script);
    });

  /* A promise of the data of a shard, such as "traces/0/12". */
  prefdelta.shard = name => {
    if (!/^[a-z]+(\/\d+)+$/.test(name)) throw new Error(`no name of a shard: ${name}`);
    const promise = kept.get(name) ?? fetch(name);
    kept.delete(name);
    kept.set(name, promise);
    promise.then(
      () => forget(kindOf(name)),
      () => kept.delete(name),
    );
    return promise;
  };

  /* The names of the shards in memory. */
  prefdelta.keptShards = () => [...kept.keys()];
}
