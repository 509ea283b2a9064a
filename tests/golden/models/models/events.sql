/*---
description: Events as published.
---*/
FROM events
